package grabtest

import (
	"net"
	"sync"
	"testing"

	"github.com/zmap-go/zmap/grab"
)

// TestDialer is the suite over plain connections, by the loopback device.
func TestDialer(t *testing.T) {
	Conformance(t, func(t *testing.T, way Way, serve func(*net.TCPConn)) net.Conn {
		if way.Loss > 0 || way.Reorder || way.Twice || way.Cookies {
			t.Skip("the loopback device is a perfect way")
		}
		address := "127.0.0.1:0"
		if way.V6 {
			address = "[::1]:0"
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("no such loopback address: %v", err)
		}
		defer l.Close()
		to := l.Addr().(*net.TCPAddr).AddrPort()
		c, err := (&grab.Dialer{}).Open(t.Context(), &grab.Target{Addr: to.Addr(), Port: to.Port()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		var far sync.WaitGroup
		t.Cleanup(far.Wait)
		far.Go(func() {
			serve(accepted.(*net.TCPConn))
			accepted.Close()
		})
		return c
	})
}
