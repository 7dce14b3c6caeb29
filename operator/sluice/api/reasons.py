"""Every CamelCase reason that appears in a condition, an Event or a decision.

Reasons are for programs and alert rules: they are never renamed within an API version. The prose
beside them is free to change.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something is as it is."""

    # A resource as a whole
    RECONCILED = "Reconciled"
    PROGRESSING = "Progressing"
    INVALID_SPEC = "InvalidSpec"

    # An indicator or its source
    INVALID_QUERY = "InvalidQuery"
    NOT_A_COUNTER = "NotACounter"
    BUCKET_NOT_FOUND = "BucketNotFound"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_MISMATCH = "SourceMismatch"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_UNAUTHORIZED = "SourceUnauthorized"
    SOURCE_TIMEOUT = "SourceTimeout"
    SOURCE_ERROR = "SourceError"
    INVALID_RESPONSE = "InvalidResponse"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105 - a reason
    INVALID_SECRET = "InvalidSecret"  # noqa: S105 - a reason
    RULES_NOT_SERVED = "RulesNotServed"
    RULES_REFUSED = "RulesRefused"
    RULES_NOT_EVALUATED = "RulesNotEvaluated"

    # A budget
    BACKFILLING = "Backfilling"
    BUDGET_KNOWN = "BudgetKnown"
    NO_DATA = "NoData"
    STALE_DATA = "StaleData"
    TOO_FEW_EVENTS = "TooFewEvents"
    PARTIAL_WINDOW = "PartialWindow"
    BUDGET_LEFT = "BudgetLeft"
    BUDGET_LOW = "BudgetLow"
    BUDGET_EXHAUSTED = "BudgetExhausted"
    AGREEMENT_AT_RISK = "AgreementAtRisk"
    PERIOD_CLOSED = "PeriodClosed"
    LEDGER_SET_ASIDE = "LedgerSetAside"

    # A policy's decision
    STAGE_ENTERED = "StageEntered"
    WITHIN_BUDGET = "WithinBudget"
    RECOVERING = "Recovering"
    NO_OBJECTIVES = "NoObjectives"
    OBJECTIVE_NOT_FOUND = "ObjectiveNotFound"
    BLIND_HOLDING = "BlindHolding"
    BLIND_OPEN = "BlindOpen"
    BLIND_CLOSED = "BlindClosed"
    MANUAL_FREEZE = "ManualFreeze"

    # Enforcement
    FROZEN = "Frozen"
    NOT_FROZEN = "NotFrozen"
    ENFORCED = "Enforced"
    NOTHING_TO_ENFORCE = "NothingToEnforce"
    OBSERVE_ONLY = "ObserveOnly"
    WARN_ONLY = "WarnOnly"
    KILL_SWITCH = "KillSwitch"
    GATE_REJECTED = "GateRejected"
    NO_CLUSTER_RIGHTS = "NoClusterRights"
    WRITE_FAILED = "WriteFailed"
    REVERTED_BY_OTHERS = "RevertedByOthers"
    THAW_STAGGERED = "ThawStaggered"
    THAW_COMPLETED = "ThawCompleted"
    RESYNC_REQUESTED = "ResyncRequested"

    # An override
    OVERRIDE_ACTIVE = "OverrideActive"
    OVERRIDE_BEGAN = "OverrideBegan"
    OVERRIDE_ENDED = "OverrideEnded"
    OVERRIDE_EXPIRED = "OverrideExpired"
    OVERRIDE_DELETED = "OverrideDeleted"
    OVERRIDE_TOO_LONG = "OverrideTooLong"
    POLICY_NOT_FOUND = "PolicyNotFound"

    # A correction
    CORRECTION_APPLIED = "CorrectionApplied"
    CORRECTION_AHEAD = "CorrectionAhead"
    CORRECTION_PASSED = "CorrectionPassed"
    CORRECTIONS_CHANGED = "CorrectionsChanged"
