module sluice.dev/e2e/controlplane/flux-crds

go 1.26.0

// For their CRDs, of which tests install some; nothing of these is built here.
require (
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
)
