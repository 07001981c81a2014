// Command search runs the search function alone, as the platform does:
//
//	PORT=8082 FUNCTION_TARGET=Search go run ./functions/search/cmd
package main

import (
	"context"
	"log"

	"github.com/waooaw/plant/functions/search"
)

func main() {
	if err := search.Function.Main(context.Background()); err != nil {
		log.Fatal(err)
	}
}
