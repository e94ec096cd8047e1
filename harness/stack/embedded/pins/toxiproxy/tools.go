//go:build tools

// Package pinned makes `go mod tidy` keep every module that Toxiproxy's server is built from.
package pinned

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
