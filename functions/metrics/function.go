// Package metrics is the function that tells what agents really did.
//
// It runs as the Cloud Run function Metrics; cmd/ runs it alone on a laptop.
package metrics

import (
	_ "github.com/GoogleCloudPlatform/functions-framework-go/funcframework" // vendored for the platform's builder
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/waooaw/plant/shared/httpapi"
)

// Function is the metrics function.
var Function = httpapi.Function{Name: "metrics", Title: "Plant: what agents really did", Register: register}

func init() { functions.HTTP("Metrics", Function.Handler()) }
