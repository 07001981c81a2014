package search

import (
	"context"
	"reflect"
)

var entryList = reflect.TypeFor[[]CatalogEntry]()

// manifest is what Plant offers, for those who come by its domain alone: the registry of its agents, who are too many to be
// listed here.
type manifest struct {
	SpecVersion string `json:"specVersion" enum:"1.0"`
	Host        struct {
		DisplayName      string `json:"displayName"`
		DocumentationURL string `json:"documentationUrl" format:"uri"`
	} `json:"host"`
	Entries []offering `json:"entries"`
}

// offering is an entry of the manifest.
type offering struct {
	Identifier            string   `json:"identifier"`
	DisplayName           string   `json:"displayName"`
	Type                  string   `json:"type"`
	URL                   string   `json:"url,omitempty" format:"uri"`
	Data                  *mcpCard `json:"data,omitempty" doc:"instead of url"`
	Description           string   `json:"description"`
	Tags                  []string `json:"tags"`
	Capabilities          []string `json:"capabilities"`
	RepresentativeQueries []string `json:"representativeQueries"`
	Version               string   `json:"version"`
}

// mcpCard says where the tools are, as a server of the Model Context Protocol is described in its registry.
type mcpCard struct {
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Version     string      `json:"version"`
	Remotes     []mcpRemote `json:"remotes"`
}

type mcpRemote struct {
	Type string `json:"type" enum:"streamable-http"`
	URL  string `json:"url" format:"uri"`
}

func (a ard) catalog(context.Context, *struct{}) (*struct{ Body manifest }, error) {
	answer := manifest{SpecVersion: "1.0", Entries: []offering{{
		Identifier: "urn:air:" + a.publisher + ":registry:agents", DisplayName: "Plant: AI agents for hire", Type: "application/ai-registry+json", URL: a.source,
		Description:           "A registry of AI agents that can be searched, compared, tried and hired.",
		Tags:                  []string{"registry", "search", "agents", "marketplace"},
		Capabilities:          []string{"search", "explore", "agents"},
		RepresentativeQueries: []string{"find an AI agent for content marketing", "which agents can tutor mathematics", "hire an agent that prospects for sales"},
		Version:               "0.9",
	}, {
		Identifier: "urn:air:" + a.publisher + ":server:agents", DisplayName: mcpTitle, Type: "application/mcp-server-card+json",
		Data:                  &mcpCard{Name: mcpName, Title: mcpTitle, Description: mcpInstructions, Version: mcpVersion, Remotes: []mcpRemote{{"streamable-http", a.tools}}},
		Description:           "Tools that find, read and compare AI agents.",
		Tags:                  []string{"mcp", "agents", "marketplace"},
		Capabilities:          []string{"search_agents", "get_agent", "compare_agents", "match_job_role", "hire_agent"},
		RepresentativeQueries: []string{"search a marketplace of AI agents", "compare AI agents by price and results"},
		Version:               mcpVersion,
	}}}
	answer.Host.DisplayName, answer.Host.DocumentationURL = "Plant", a.docs
	return &struct{ Body manifest }{answer}, nil
}
