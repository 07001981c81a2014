// Package faults breaks what Plant stands on, as it breaks in the cloud: servers that are killed, restarted or replaced,
// instances that are stopped in the middle of their work, callers that hold on to what they have. Its tests run the real
// programs of the functions on a real PostgreSQL of their own; each is named after its row of the catalogue of faults.
//
// Whatever happens, an answer is success, a refusal that the contract names, or 503 as a whole problem document: the
// callers of package crash hold every answer of every test against that.
package faults
