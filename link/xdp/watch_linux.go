//go:build amd64 || arm64

package xdp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cilium/ebpf"
	ebpflink "github.com/cilium/ebpf/link"

	"github.com/zmap-go/zmap/link"
)

// A watch knows the local ports that this host connects from, so that the tap need not ask the kernel's tables about each
// SYN-ACK that it may not pass on: a look-up there costs as much as all else that the tap does.
type watch struct {
	maps *ebpf.Collection
	at   ebpflink.Link
}

// watchFor returns a watch if f has a policy for which it is of use, and the kernel can tell. Without one, nil, the tap asks
// every time.
func watchFor(f *link.Filter) (*watch, error) {
	if !f.Withholds() {
		return nil, nil //nolint:nilnil // nil is a watch that there is not
	}
	spec, err := loadWatch()
	if err != nil {
		return nil, fmt.Errorf("read program: %w", err)
	}
	w := &watch{}
	if w.maps, err = ebpf.NewCollection(spec); err != nil {
		return nil, nil //nolint:nilerr,nilnil // kernels that do not let it be traced do without
	}
	if w.at, err = ebpflink.AttachTracing(ebpflink.TracingOptions{Program: w.maps.Programs[programWatch]}); err != nil {
		w.maps.Close()
		return nil, nil //nolint:nilerr,nilnil // the same
	}
	// What connected before is in the kernel's table: the order matters.
	if err := w.noteAll(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// noteAll notes the ports of all TCP sockets that there are in this namespace.
func (w *watch) noteAll() error {
	var words [65536 / 64]uint64
	for _, path := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) { // no IPv6
			continue
		}
		if err != nil {
			return fmt.Errorf("read TCP sockets: %w", err)
		}
		err = parseSockets(f, func(port uint16) { words[port/64] |= 1 << (port % 64) })
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("read TCP sockets from %s: %w", path, err)
		}
	}
	area, err := share(w.maps.Maps[mapUsedPorts])
	if err != nil {
		return err
	}
	for i, ports := range words {
		atomic.OrUint64(word(area.entry(i)), ports)
	}
	return area.close()
}

// parseSockets calls note with the local port of each line of /proc/net/tcp: "  0: 0100007F:1F90 00000000:0000 0A ...".
func parseSockets(r io.Reader, note func(port uint16)) error {
	lines := bufio.NewScanner(r)
	for n := 0; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if n == 0 || len(fields) == 0 { // the heading
			continue
		}
		if len(fields) < 3 {
			return fmt.Errorf("line %d: %q has no local address", n+1, lines.Text())
		}
		_, port, _ := strings.Cut(fields[1], ":")
		v, err := strconv.ParseUint(port, 16, 16)
		if err != nil {
			return fmt.Errorf("line %d: %q is no address and port: %w", n+1, fields[1], err)
		}
		note(uint16(v))
	}
	return lines.Err()
}

// close detaches the program.
func (w *watch) close() error {
	err := w.at.Close()
	w.maps.Close()
	return err
}
