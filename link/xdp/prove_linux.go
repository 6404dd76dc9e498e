//go:build amd64 || arm64

package xdp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// typeLocal is the EtherType for experiments on one's own network (IEEE 802), which no host acts upon.
const typeLocal = 0x88b5

// proofs is how often the frame that proves a link is offered: a queue may be full for a moment.
const proofs = 10

// prove sends one frame, from the interface to itself, and sees it leave: drivers without a way to send for XDP, and
// virtual cables whose other end does not listen, are found out here, and not by a scan without answers.
func (c *core) prove(cfg *link.Config) error {
	t := c.newTX(cfg, cfg.Senders) // in the place of the control queue
	defer t.runner.close()
	t.retries = proofs
	var s [1]link.Slot
	t.Reserve(s[:], 0)
	frame := s[0].Data[:shortest]
	copy(frame, c.dev.mac)
	copy(frame[6:], c.dev.mac)
	binary.BigEndian.PutUint16(frame[12:], typeLocal)
	clear(frame[etherLen:])
	s[0].N = len(frame)
	switch err := t.Submit(s[:]); {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP):
		return &link.UnsupportedError{Feature: "live frames in BPF_PROG_RUN", MinKernel: "5.18"}
	case errors.Is(err, unix.EPERM):
		return refused("run program", err)
	case err != nil:
		return err
	case t.Stats().Sent == 0:
		return c.silent(t.why)
	}
	return nil
}

// silent words the reason for which not one frame left.
func (c *core) silent(why unix.Errno) error {
	no := fmt.Sprintf("%s does not send for XDP (%s)", c.dev.name, why)
	driver := c.dev.driver()
	switch {
	case driver == "veth" && (why == unix.EOPNOTSUPP || why == unix.ENXIO):
		return errors.New(no + ": the other end of this virtual cable has neither an XDP program nor GRO (ethtool -K PEER gro on)")
	case c.behind != nil:
		return fmt.Errorf("%s: its driver %s does not take the program: %w", no, driver, c.behind)
	}
	return fmt.Errorf("%s: its driver is %s", no, driver)
}
