"""The indicators of a service of the scenarios, by kind."""

from tests.integration.prometheus.synthetic import DURATION, REQUESTS

INDICATORS = {
    "bad": lambda job: {
        "ratio": {
            "total": {"metric": f'{REQUESTS}{{job="{job}"}}'},
            "bad": {"metric": f'{REQUESTS}{{job="{job}",code=~"5.."}}'},
        }
    },
    "good": lambda job: {
        "ratio": {
            "total": {"metric": f'{REQUESTS}{{job="{job}"}}'},
            "good": {"metric": f'{REQUESTS}{{job="{job}",code!~"5.."}}'},
        }
    },
    "latency": lambda job: {
        "latency": {"metric": DURATION, "selector": f'job="{job}"', "threshold": "500ms"}
    },
}
