package afpacket

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/zmap-go/zmap/link"
)

// A Sender is the transmit queue of an engine whose receive queues are those of this package.
type Sender interface {
	link.TX
	Memory() uint64 // bytes that it takes
}

// OpenQueues opens a link of the engine called name: the transmit queues, which are for it to make, and the receive queues of
// this package. cfg is one with its defaults. With an error nothing is open.
func OpenQueues[T Sender](name string, cfg link.Config, openTX func() (T, error)) (l *link.Link, err error) {
	l = &link.Link{Name: name, Batch: cfg.Batch}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
			l = nil
		}
	}()
	for range cfg.Senders {
		tx, err := openTX()
		if err != nil {
			return l, err
		}
		l.TX = append(l.TX, tx)
	}
	control, err := openTX()
	if err != nil {
		return l, err
	}
	l.Control = control
	l.Up = up(cfg)
	l.RX, err = openReceivers(cfg)
	return l, err
}

// up returns what a link's Up is: the interfaces to send and to receive on must both be up, and be those of now.
func up(cfg link.Config) func() error {
	var devices []Device
	for _, name := range []string{cfg.Interface, cfg.Receive} {
		if i, err := net.InterfaceByName(name); err == nil {
			devices = append(devices, Device{Name: name, Index: i.Index})
		}
	}
	return func() error {
		for i := range devices {
			d := devices[i]
			if err := d.ask(); err != nil {
				return err
			}
			if now, err := net.InterfaceByName(d.Name); err != nil || now.Index != d.Index {
				return fmt.Errorf("interface %s is gone, and another one may have its name: %w", d.Name, link.ErrDown)
			}
		}
		return nil
	}
}

// CheckQueues is to [OpenQueues] what Check is to Open: it opens and closes one transmit queue, compiles the capture filter, and
// says how much memory the link takes.
func CheckQueues[T Sender](cfg link.Config, openTX func() (T, error)) (memory uint64, err error) {
	if memory, err = CheckReceivers(cfg); err != nil {
		return 0, err
	}
	tx, err := openTX()
	if err != nil {
		return 0, err
	}
	return memory + uint64(cfg.Senders+1)*tx.Memory(), tx.Close()
}

// openReceivers opens the receive queues. There are none with an error.
func openReceivers(cfg link.Config) (queues []link.RX, err error) {
	dev, err := receivingDevice(cfg)
	if err != nil {
		return nil, err
	}
	var group *fanout
	if cfg.Receivers > 1 {
		group = &fanout{}
	}
	defer func() {
		if err != nil {
			for _, rx := range queues {
				err = errors.Join(err, rx.Close())
			}
			queues = nil
		}
	}()
	for range cfg.Receivers {
		rx, err := openRX(cfg, dev, group)
		if err != nil {
			return queues, err
		}
		queues = append(queues, rx)
	}
	return queues, nil
}

// CheckReceivers looks at the interface, compiles the filter and says how much memory the receive queues take.
func CheckReceivers(cfg link.Config) (memory uint64, err error) {
	dev, err := receivingDevice(cfg)
	if err != nil {
		return 0, err
	}
	if _, err := program(&cfg.Filter, dev.ether()); err != nil {
		return 0, err
	}
	blockLen, blocks := layout(cfg.RingBytes, os.Getpagesize())
	return uint64(cfg.Receivers) * uint64(blockLen*blocks), nil
}
