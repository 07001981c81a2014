package agents

import (
	"fmt"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
)

// maxCardBytes bounds a card.
const maxCardBytes = 64 << 10

// card is an A2A v1 agent card, byte for byte as its partner sent it: signatures are over its bytes. So it is checked, but
// never written anew, and its text is not brought into NFC.
type card struct{ text jsontext.Value }

// UnmarshalJSON implements json.Unmarshaler.
func (c *card) UnmarshalJSON(text []byte) error {
	c.text = append(c.text[:0], text...)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (c card) MarshalJSON() ([]byte, error) { return c.text, nil }

// Schema implements huma.SchemaProvider.
func (card) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[agentCard]())
}

// stored returns what is kept of a card: nil for none.
func (c *card) stored() *string {
	if c == nil {
		return nil
	}
	text := string(c.text)
	return &text
}

// fault says what a schema cannot.
func (c *card) fault() string {
	if c != nil && len(c.text) > maxCardBytes {
		return fmt.Sprintf("has %d bytes, and may have %d", len(c.text), maxCardBytes)
	}
	return ""
}

// What follows is the shape of a card: message AgentCard of the standard's specification/a2a.proto, as its JSON. It serves
// checking and the reference only. What is marked REQUIRED there must be there, and not be empty; members that the standard
// does not know are let through, as it demands, so that cards of 0.3 and 1.0 in one are taken.

// webURL and httpsURL are where something is found.
type (
	webURL   string
	httpsURL string
)

// Schema implements huma.SchemaProvider.
func (webURL) Schema(huma.Registry) *huma.Schema {
	return urlSchema("^https?://", "an http or https URL")
}

// Schema implements huma.SchemaProvider.
func (httpsURL) Schema(huma.Registry) *huma.Schema { return urlSchema("^https://", "an https URL") }

const maxURLLength = 2048

func urlSchema(begins, description string) *huma.Schema {
	most := maxURLLength
	return &huma.Schema{Type: huma.TypeString, MaxLength: &most, Pattern: begins + `[^\s/?#]+\S*$`, PatternDescription: description}
}

type agentCard struct {
	_                    struct{}              `additionalProperties:"true"`
	Name                 string                `json:"name" minLength:"1"`
	Description          string                `json:"description" minLength:"1"`
	Version              string                `json:"version" minLength:"1" doc:"of the agent"`
	SupportedInterfaces  []cardInterface       `json:"supportedInterfaces" minItems:"1" doc:"where the agent is spoken to, the preferred way first"`
	Capabilities         cardCapabilities      `json:"capabilities"`
	DefaultInputModes    []string              `json:"defaultInputModes" minItems:"1" minLength:"1" doc:"media types"`
	DefaultOutputModes   []string              `json:"defaultOutputModes" minItems:"1" minLength:"1" doc:"media types"`
	Skills               []cardSkill           `json:"skills" minItems:"1"`
	Provider             *cardProvider         `json:"provider,omitempty"`
	DocumentationURL     webURL                `json:"documentationUrl,omitempty"`
	IconURL              webURL                `json:"iconUrl,omitempty"`
	SecuritySchemes      map[string]cardScheme `json:"securitySchemes,omitempty"`
	SecurityRequirements []cardRequirement     `json:"securityRequirements,omitempty"`
	Signatures           []cardSignature       `json:"signatures,omitempty" doc:"kept, not verified"`
}

type cardInterface struct {
	_               struct{} `additionalProperties:"true"`
	URL             httpsURL `json:"url"`
	ProtocolBinding string   `json:"protocolBinding" minLength:"1" maxLength:"255" example:"JSONRPC"`
	ProtocolVersion string   `json:"protocolVersion" minLength:"1" maxLength:"64" example:"1.0"`
	Tenant          string   `json:"tenant,omitempty"`
}

type cardCapabilities struct {
	_                 struct{}        `additionalProperties:"true"`
	Streaming         bool            `json:"streaming,omitempty"`
	PushNotifications bool            `json:"pushNotifications,omitempty"`
	ExtendedAgentCard bool            `json:"extendedAgentCard,omitempty"`
	Extensions        []cardExtension `json:"extensions,omitempty"`
}

type cardExtension struct {
	_           struct{}       `additionalProperties:"true"`
	URI         string         `json:"uri,omitempty"`
	Description string         `json:"description,omitempty"`
	Required    bool           `json:"required,omitempty"`
	Params      map[string]any `json:"params,omitempty"`
}

type cardSkill struct {
	_                    struct{}          `additionalProperties:"true"`
	ID                   string            `json:"id" minLength:"1"`
	Name                 string            `json:"name" minLength:"1"`
	Description          string            `json:"description" minLength:"1"`
	Tags                 []string          `json:"tags" minItems:"1"`
	Examples             []string          `json:"examples,omitempty"`
	InputModes           []string          `json:"inputModes,omitempty" minLength:"1"`
	OutputModes          []string          `json:"outputModes,omitempty" minLength:"1"`
	SecurityRequirements []cardRequirement `json:"securityRequirements,omitempty"`
}

type cardProvider struct {
	_            struct{} `additionalProperties:"true"`
	Organization string   `json:"organization" minLength:"1"`
	URL          webURL   `json:"url"`
}

// cardRequirement names schemes that are needed together, each with its scopes.
type cardRequirement struct {
	_       struct{}              `additionalProperties:"true"`
	Schemes map[string]cardScopes `json:"schemes"`
}

// cardScopes are an object with a list, as the standard's StringList is in JSON; a2a-go writes the list alone.
type cardScopes struct {
	_    struct{} `additionalProperties:"true"`
	List []string `json:"list,omitempty"`
}

// TransformSchema implements huma.SchemaTransformer.
func (cardScopes) TransformSchema(_ huma.Registry, object *huma.Schema) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{object, object.Properties["list"]}}
}

type cardSignature struct {
	_         struct{}       `additionalProperties:"true"`
	Protected string         `json:"protected" pattern:"^[A-Za-z0-9_-]+$" patternDescription:"base64url"`
	Signature string         `json:"signature" pattern:"^[A-Za-z0-9_-]+$" patternDescription:"base64url"`
	Header    map[string]any `json:"header,omitempty"`
}

// cardScheme is one of these.
type cardScheme struct {
	APIKey *struct {
		_           struct{} `additionalProperties:"true"`
		Location    string   `json:"location" enum:"query,header,cookie"`
		Name        string   `json:"name" minLength:"1"`
		Description string   `json:"description,omitempty"`
	} `json:"apiKeySecurityScheme,omitempty"`
	HTTPAuth *struct {
		_            struct{} `additionalProperties:"true"`
		Scheme       string   `json:"scheme" minLength:"1"`
		BearerFormat string   `json:"bearerFormat,omitempty"`
		Description  string   `json:"description,omitempty"`
	} `json:"httpAuthSecurityScheme,omitempty"`
	OAuth2 *struct {
		_           struct{}  `additionalProperties:"true"`
		Flows       cardFlows `json:"flows"`
		MetadataURL httpsURL  `json:"oauth2MetadataUrl,omitempty"`
		Description string    `json:"description,omitempty"`
	} `json:"oauth2SecurityScheme,omitempty"`
	OpenIDConnect *struct {
		_           struct{} `additionalProperties:"true"`
		URL         httpsURL `json:"openIdConnectUrl"`
		Description string   `json:"description,omitempty"`
	} `json:"openIdConnectSecurityScheme,omitempty"`
	MutualTLS *struct {
		_           struct{} `additionalProperties:"true"`
		Description string   `json:"description,omitempty"`
	} `json:"mtlsSecurityScheme,omitempty"`
}

// TransformSchema implements huma.SchemaTransformer.
func (cardScheme) TransformSchema(_ huma.Registry, schema *huma.Schema) *huma.Schema {
	return exactlyOne(schema)
}

// cardFlows is one of these. The last two are deprecated, and need nothing.
type cardFlows struct {
	AuthorizationCode *struct {
		_                struct{}          `additionalProperties:"true"`
		AuthorizationURL httpsURL          `json:"authorizationUrl"`
		TokenURL         httpsURL          `json:"tokenUrl"`
		RefreshURL       httpsURL          `json:"refreshUrl,omitempty"`
		Scopes           map[string]string `json:"scopes"`
		PKCERequired     bool              `json:"pkceRequired,omitempty"`
	} `json:"authorizationCode,omitempty"`
	ClientCredentials *struct {
		_          struct{}          `additionalProperties:"true"`
		TokenURL   httpsURL          `json:"tokenUrl"`
		RefreshURL httpsURL          `json:"refreshUrl,omitempty"`
		Scopes     map[string]string `json:"scopes"`
	} `json:"clientCredentials,omitempty"`
	DeviceCode *struct {
		_                      struct{}          `additionalProperties:"true"`
		DeviceAuthorizationURL httpsURL          `json:"deviceAuthorizationUrl"`
		TokenURL               httpsURL          `json:"tokenUrl"`
		RefreshURL             httpsURL          `json:"refreshUrl,omitempty"`
		Scopes                 map[string]string `json:"scopes"`
	} `json:"deviceCode,omitempty"`
	Implicit map[string]any `json:"implicit,omitempty"`
	Password map[string]any `json:"password,omitempty"`
}

// TransformSchema implements huma.SchemaTransformer.
func (cardFlows) TransformSchema(_ huma.Registry, schema *huma.Schema) *huma.Schema {
	return exactlyOne(schema)
}

func exactlyOne(schema *huma.Schema) *huma.Schema {
	one := 1
	schema.MinProperties, schema.MaxProperties = &one, &one
	return schema
}
