package config

import (
	"os"
	"testing"

	"github.com/waooaw/plant/shared/localgoogle"
)

// google is where the process's credentials and calls to Google go to.
var google *localgoogle.Google

func TestMain(m *testing.M) { os.Exit(localgoogle.Run(m.Run, &google)) }
