"""The kinds of objects that Sluice reads or writes, and their paths in the API.

Source of the path layout: kubernetes.io/docs/reference/using-api/api-concepts, "Resource URIs".
"""

from dataclasses import dataclass

from sluice.api import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object, as the API server names it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apiVersion` as in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, *, namespace: str | None = None, name: str | None = None, subresource: str = ""
    ) -> str:
        """The URI of an object, or of the collection where `name` is left out."""
        parts = ["/apis", self.group] if self.group else ["/api"]
        parts.append(self.version)
        if namespace is not None and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


OBJECTIVES = Resource(GROUP, VERSION, "servicelevelobjectives", "ServiceLevelObjective")
POLICIES = Resource(GROUP, VERSION, "errorbudgetpolicies", "ErrorBudgetPolicy")
OVERRIDES = Resource(GROUP, VERSION, "gateoverrides", "GateOverride")
CORRECTIONS = Resource(GROUP, VERSION, "budgetcorrections", "BudgetCorrection")
SOURCES = Resource(GROUP, VERSION, "metricsources", "MetricSource", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout")
WORKLOADS = {it.kind: it for it in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, ROLLOUTS)}
"""What can be governed, by kind."""

OPTIONAL = frozenset({ROLLOUTS.kind})
"""Those of them that the API server need not serve."""

KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization")
HELM_RELEASES = Resource("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications", "Application")
SUSPENDABLE = {it.kind: it for it in (KUSTOMIZATIONS, HELM_RELEASES, CRON_JOBS)}
"""What can be suspended, by kind; not every cluster has them, so that they are not watched."""

REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
RETAINED = {it.kind: it for it in (REPLICA_SETS, CONTROLLER_REVISIONS)}
"""What the revisions of workloads are retained as, by kind."""

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
SELF_SUBJECT_REVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
ADMISSION_POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
ADMISSION_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
WEBHOOK_CONFIGURATIONS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
CUSTOM_RESOURCES = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
PROMETHEUS_RULES = Resource("monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule")
