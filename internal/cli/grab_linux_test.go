package cli

import (
	"io"
	"net"
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// greet runs servers on the hosts of LIVE and their like: on port 2525 one that greets and then repeats what it is told, on 2526 one
// that never says anything.
func greet(t *testing.T, n *lab.Net) {
	t.Helper()
	for address, talk := range map[string]func(net.Conn){
		":2525": func(c net.Conn) {
			_, _ = c.Write([]byte("220 lab ready\r\n"))
			_, _ = io.Copy(c, c)
		},
		":2526": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
	} {
		l, err := n.Listen(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					talk(c)
				}()
			}
		}()
	}
}
