module sluice.dev/e2e/controlplane/certs

go 1.26.0
