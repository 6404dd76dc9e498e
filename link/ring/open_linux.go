package ring

import (
	"context"
	"errors"
	"os"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/mmsg"
)

var _ link.Engine = Engine{}

// Open opens the queues. As with engine "socket", no frame is sent to find out whether the link works.
func (Engine) Open(ctx context.Context, cfg link.Config) (l *link.Link, err error) {
	cfg, dev, err := prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l = &link.Link{Name: Engine{}.Name(), Batch: cfg.Batch}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
			l = nil
		}
	}()
	for i := range cfg.Senders + 1 {
		tx, err := openTX(cfg, dev, framesFor(cfg.Batch))
		if err != nil {
			return l, err
		}
		if i == cfg.Senders {
			l.Control = tx
		} else {
			l.TX = append(l.TX, tx)
		}
	}
	l.RX, err = afpacket.OpenReceivers(cfg)
	return l, err
}

// Check opens and closes one transmit queue, whose socket never receives, and compiles the capture filter.
func (Engine) Check(ctx context.Context, cfg link.Config) (memory uint64, err error) {
	cfg, dev, err := prepare(ctx, cfg)
	if err != nil {
		return 0, err
	}
	if memory, err = afpacket.CheckReceivers(cfg); err != nil {
		return 0, err
	}
	tx, err := openTX(cfg, dev, framesFor(cfg.Batch))
	if err != nil {
		return 0, err
	}
	return memory + uint64(cfg.Senders+1)*tx.memory(), tx.Close()
}

// prepare checks what there is to check before any socket is open, and finds the interface.
func prepare(ctx context.Context, cfg link.Config) (link.Config, afpacket.Device, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return cfg, afpacket.Device{}, err
	}
	if err := ctx.Err(); err != nil {
		return cfg, afpacket.Device{}, err
	}
	if cfg.Batch == 0 {
		cfg.Batch = mmsg.DefaultBatch
	}
	dev, err := afpacket.SendingDevice(cfg)
	return cfg, dev, err
}

// spare is how many frames more than a batch a ring has: those that the driver still holds while the next batch is written.
// Drivers hold up to a hundred or so, for some 100 µs, before they let all of them go.
const spare = 192

// framesFor is how many frames the ring for a batch has: as many as fill its last page.
func framesFor(batch int) int {
	perPage := os.Getpagesize() / frameLen
	return (batch + spare + perPage - 1) / perPage * perPage
}
