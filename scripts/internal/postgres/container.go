package postgres

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/waooaw/plant/scripts/internal/process"
)

// vectorImage is of the engine's own default registry.
const vectorImage = "pgvector/pgvector:pg17"

// pull fetches the image where it is missing, which takes longer than a server may take to start.
func pull(ctx context.Context, out io.Writer) error {
	if exec.CommandContext(ctx, "docker", "image", "inspect", vectorImage).Run() == nil {
		return nil
	}
	process.Say(out, "fetching the container image")
	return process.Run(ctx, "docker", "pull", "-q", vectorImage)
}

// container returns the command that runs the server in a container, in the foreground. Its data stay in the home.
func container(ctx context.Context, image, home, password, port string) *exec.Cmd {
	// One that was left behind, its client killed, would hold the name and the data.
	_ = exec.CommandContext(ctx, "docker", "rm", "-f", nameOf(home)).Run()
	args := append([]string{
		"run", "--rm", "--name", nameOf(home), "--env", "POSTGRES_USER=" + owner, "--env", "POSTGRES_PASSWORD",
		"--publish", "127.0.0.1:" + port + ":5432", "--volume", filepath.Join(home, "container") + ":/var/lib/postgresql/data", image,
	}, commonSettings...)
	cmd := exec.Command("docker", args...) //nolint:noctx // it outlives the context that starts it, and Stop ends it
	cmd.Env = append(os.Environ(), "POSTGRES_PASSWORD="+password)
	return cmd
}
