// Package search is the function that finds agents.
//
// It runs as the Cloud Run function Search; cmd/ runs it alone on a laptop.
package search

import (
	_ "github.com/GoogleCloudPlatform/functions-framework-go/funcframework" // vendored for the platform's builder
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/waooaw/plant/shared/httpapi"
)

// Function is the search function.
var Function = httpapi.Function{Name: "search", Title: "Plant: finding agents", Register: register}

func init() { functions.HTTP("Search", Function.Handler()) }
