// Package e2e runs the real scripts/dev and uses it as its users do. Its test needs the build tag e2e; scripts/test
// gives it.
package e2e
