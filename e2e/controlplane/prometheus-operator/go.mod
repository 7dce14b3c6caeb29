module sluice.dev/e2e/controlplane/prometheus-operator

go 1.26.0

// For its CRDs, of which tests install that of PrometheusRule; nothing of it is built.
require github.com/prometheus-operator/prometheus-operator v0.85.0
