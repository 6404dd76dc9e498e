package cli

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestPlay(t *testing.T) {
	if os.Getenv("PLAY") == "" {
		t.Skip("no PLAY")
	}
	net := newNet(t)
	testscript.Run(t, testscript.Params{Files: []string{os.Getenv("PLAY")}, Setup: setup(net), Cmds: scriptCommands(net), ContinueOnError: true})
}
