// Command agents runs the agents function alone, as the platform does:
//
//	PORT=8081 FUNCTION_TARGET=Agents go run ./functions/agents/cmd
package main

import (
	"context"
	"log"

	"github.com/waooaw/plant/functions/agents"
)

func main() {
	if err := agents.Function.Main(context.Background()); err != nil {
		log.Fatal(err)
	}
}
