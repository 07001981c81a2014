// Package search is the function that finds agents, skills and job roles, and puts agents together.
//
// It runs as the Cloud Run function Search; cmd/ runs it alone on a laptop.
package search

import (
	_ "github.com/GoogleCloudPlatform/functions-framework-go/funcframework" // vendored for the platform's builder
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/indexing"
)

// Function is the search function.
var Function = functionOf(config.Load[indexing.Config])

func init() { functions.HTTP("Search", Function.Handler()) }
