package service

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// A HeartbleedLog says whether a server answers a heartbeat request that it must not answer (CVE-2014-0160); see
// docs/exposure.md. The keys are those that zgrab had.
type HeartbleedLog struct {
	Enabled    bool `json:"heartbeat_enabled"`     // it agrees to be asked
	Vulnerable bool `json:"heartbleed_vulnerable"` // it answered
}

// heartbeatWait is how long an answer is waited for: those who do not have the bug stay silent.
const heartbeatWait = 3 * time.Second

// heartbleed asks one server over a connection of its own. Nothing but the type of the record that comes back is looked at, and
// there is nothing else in it that was the server's.
func heartbleed(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*HeartbleedLog, error) {
	offer := hello.Census(o.sni(s))
	offer.Heartbeat = true
	var f flight
	if err := ask(ctx, conn, &offer, &f, hello.TypeServerHelloDone); err != nil {
		return nil, err
	}
	if f.hello == nil {
		return nil, fmt.Errorf("no server hello: %w", grab.ErrProtocol)
	}
	log := &HeartbleedLog{Enabled: f.hello.Heartbeat == 1}
	if !log.Enabled {
		return log, nil
	}
	defer interrupt(ctx, conn)()
	if err := conn.SetDeadline(time.Now().Add(heartbeatWait)); err != nil {
		return log, nil // closed: no answer
	}
	if _, err := conn.Write(hello.AppendHeartbeat(nil, f.hello.Version)); err != nil {
		return log, nil
	}
	for in := hello.NewReader(conn); ; {
		rec, err := in.ReadRecord()
		if err != nil || rec.Type == hello.RecordAlert { // closed, silent, or refused: it looked at the length
			return log, ctx.Err()
		}
		if rec.Type == hello.RecordHeartbeat {
			log.Vulnerable = true
			return log, nil
		}
	}
}
