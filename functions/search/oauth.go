package search

import (
	"context"

	"github.com/waooaw/plant/shared/httpapi"
)

// resourcePath is where it is said whose tokens /mcp takes.
const resourcePath = "/.well-known/oauth-protected-resource"

// protectedResource describes /mcp to clients that need a token for it (RFC 9728, 2).
type protectedResource struct {
	Resource               string   `json:"resource" format:"uri"`
	AuthorizationServers   []string `json:"authorization_servers" doc:"issuers whose tokens are taken"`
	BearerMethodsSupported []string `json:"bearer_methods_supported"`
	ResourceName           string   `json:"resource_name"`
	ResourceDocumentation  string   `json:"resource_documentation" format:"uri"`
}

// resourceOf returns the handler of the description.
func resourceOf(api *httpapi.API) func(context.Context, *struct{}) (*struct{ Body protectedResource }, error) {
	description := protectedResource{
		Resource: api.Address(mcpPath), AuthorizationServers: []string{}, BearerMethodsSupported: []string{"header"},
		ResourceName: "Plant", ResourceDocumentation: api.Address("/docs/"),
	}
	for _, issuer := range api.Settings.Auth.Issuers {
		description.AuthorizationServers = append(description.AuthorizationServers, issuer.Issuer)
	}
	return func(context.Context, *struct{}) (*struct{ Body protectedResource }, error) {
		return &struct{ Body protectedResource }{description}, nil
	}
}
