//go:build !race

package audit_test

const million = 1_000_000
