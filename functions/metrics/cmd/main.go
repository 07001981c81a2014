// Command metrics runs the metrics function alone, as the platform does:
//
//	PORT=8083 FUNCTION_TARGET=Metrics go run ./functions/metrics/cmd
package main

import (
	"context"
	"log"

	"github.com/waooaw/plant/functions/metrics"
)

func main() {
	if err := metrics.Function.Main(context.Background()); err != nil {
		log.Fatal(err)
	}
}
