//go:build tools

// Package tools pins the kustomize that renders deploy/kustomize in the tests; go.sum has its
// checksums. Version 5.0.3 is the newest that Debian 12's Go 1.19 builds.
package tools

import _ "sigs.k8s.io/kustomize/kustomize/v5"
