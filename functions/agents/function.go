// Package agents is the function that keeps the catalogue and its governance.
//
// It runs as the Cloud Run function Agents; cmd/ runs it alone on a laptop.
package agents

import (
	_ "github.com/GoogleCloudPlatform/functions-framework-go/funcframework" // vendored for the platform's builder
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/indexing"
)

// Function is the agents function.
var Function = functionOf(config.Load[indexing.Config])

func init() { functions.HTTP("Agents", Function.Handler()) }
