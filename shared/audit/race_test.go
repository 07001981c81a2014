//go:build race

package audit_test

// The race detector makes everything some twenty times slower, and there is one goroutine.
const million = 20_000
