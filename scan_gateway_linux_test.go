package zmap

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// TestGatewayMoves gives the gateway another hardware address in the middle of a scan, which notices, and finds the hosts that are asked
// after that.
func TestGatewayMoves(t *testing.T) {
	const hosts = "10.13.0.0/21"
	world := startNet(t, lab.Hosts{Prefix: prefix(hosts), Kind: lab.Kernel})
	c, rows := synScan(hosts)
	c.Rate, c.Cooldown = 300, time.Second
	var said strings.Builder
	var mu sync.Mutex
	c.Log = slog.New(slog.NewTextHandler(lockedWriter{&said, &mu}, nil))
	rows.onRow = func(n int) {
		if n == 100 {
			if err := world.MoveGateway(t.Context(), net.HardwareAddr{2, 'm', 'o', 'v', 'e', 'd'}); err != nil {
				t.Error(err)
			}
		}
	}
	r := run(t, c)
	// Asked between the change and the next question to the gateway, at most every 5 seconds.
	if lost := 2048 - len(rows.count(row.first)); lost < 10 || lost > 5*300+300 || r.Sent != 2048 {
		t.Errorf("%d probes, %d hosts of 2048 not found", r.Sent, lost)
	}
	mu.Lock()
	defer mu.Unlock()
	const want = "gateway 172.31.255.254 on scan0 has another hardware address: 02:6d:6f:76:65:64, before 02:7a:6d:61:70:02"
	if strings.Count(said.String(), want) != 1 {
		t.Errorf("the log says:\n%s", said.String())
	}
}
