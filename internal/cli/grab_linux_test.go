//go:build !minimal

package cli

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/zmap-go/zmap/lab"
)

// TestGrabPage runs every command of docs/grab.md, as a shell does, against a test Internet with a network of its own in it. Those that
// print rows must have some for that network.
func TestGrabPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "grab.md"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := lab.New(t.Context(), lab.World{
		Ports: []uint16{443}, // who connects is hung up on: a row nevertheless
		Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix(ownNetwork + "0/30"), Kind: lab.Kernel}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	serve(t, n, ":25", func(c net.Conn) {
		_, _ = c.Write([]byte("220 lab ready\r\n"))
		_, _ = io.Copy(c, c)
	})
	dir := t.TempDir()
	files := fmt.Sprintf("-- certs.json --\n{\"ip\":\"192.0.2.1\",\"data\":{\"tls\":{\"status\":\"connection-closed\"}}}\n-- hosts.txt --\n%s1\n%s2, www.example.org, mine, 443\n-- names.csv --\n%s1,www.example.org\n",
		ownNetwork, ownNetwork, ownNetwork)
	commands := 0
	for i, block := range strings.Split(string(text), "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "sh\n") {
			continue
		}
		for line := range strings.Lines(strings.TrimPrefix(block, "sh\n")) {
			commands++
			line = strings.ReplaceAll(strings.TrimSpace(line), readmeNetwork, ownNetwork)
			script := fmt.Sprintf("exec sh line.sh\n! stderr '^zmap: '\n%s\n-- line.sh --\n%s\n%s", shows(line), line, files)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("line%d.txtar", commands)), []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if commands < 8 {
		t.Errorf("docs/grab.md has %d commands, want 8 or more", commands)
	}
	p := scripts(n)
	p.Dir = dir
	testscript.Run(t, p)
}

// shows is the line of a script that looks for what a command must print.
func shows(command string) string {
	const row = `"(ip|saddr)":"20\.0\.2\.1".*"data":\{"`
	words := strings.Fields(command)
	switch i := slices.Index(words, "-o"); {
	case slices.Contains(words, "--list"):
		return "stdout '^tls: '"
	case slices.Contains(words, "--expiring"):
		return "stdout '^EXPIRES'"
	case slices.Contains(words, "certs"):
		return "stdout '^distinct certificates'"
	case slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "sqlite=") }):
		return "exists survey.db"
	case i >= 0:
		return "grep '" + row + "' " + words[i+1]
	}
	return "stdout '" + row + "'"
}
