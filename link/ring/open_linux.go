package ring

import (
	"context"
	"os"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
)

var _ link.Engine = Engine{}

// Open opens the queues. As with engine "socket", no frame is sent to find out whether the link works.
func (Engine) Open(ctx context.Context, cfg link.Config) (*link.Link, error) {
	cfg, dev, err := afpacket.Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return afpacket.OpenQueues(Engine{}.Name(), cfg, func() (*TX, error) { return openTX(cfg, dev, framesFor(cfg.Batch)) })
}

// Check opens and closes one transmit queue, whose socket never receives, and compiles the capture filter.
func (Engine) Check(ctx context.Context, cfg link.Config) (memory uint64, err error) {
	cfg, dev, err := afpacket.Prepare(ctx, cfg)
	if err != nil {
		return 0, err
	}
	return afpacket.CheckQueues(cfg, func() (*TX, error) { return openTX(cfg, dev, framesFor(cfg.Batch)) })
}

// spare is how many frames more than a batch a ring has: those that the driver still holds while the next batch is written.
// Drivers hold up to a hundred or so, for some 100 µs, before they let all of them go.
const spare = 192

// framesFor is how many frames the ring for a batch has: as many as fill its last page.
func framesFor(batch int) int {
	perPage := os.Getpagesize() / frameLen
	return (batch + spare + perPage - 1) / perPage * perPage
}
