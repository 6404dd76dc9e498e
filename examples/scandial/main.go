// Command scandial scans, connects to what it finds, and prints the first words that the server says, if it is one that speaks first
// (SSH, SMTP, FTP). It sends nothing on these connections: no name, no password, no request. It is the example of a scan as a loop,
// with more work for each host than the loop itself should do.
//
//	scandial 22,25 198.51.100.0/24
//
// Like any scan it needs the right to open packet sockets, and the permission of those whose network it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/zmap-go/zmap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scandial:", err)
		os.Exit(1)
	}
}

// run scans the networks args[1:] on the ports args[0] and writes a line for each service to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("ports and networks are missing; write for example: scandial 22,25 198.51.100.0/24")
	}
	r := reader{workers: 64, patience: 5 * time.Second, most: 256, out: out}
	return r.scan(ctx, config(args[0], args[1:]))
}

// config is the scan. An output without a sink is the loop: in default mode it sees the first success of each target, and nothing
// else, so that nobody is called twice.
func config(ports string, networks []string) zmap.Config {
	return zmap.Config{
		Ports:    ports,
		Networks: networks,
		Rate:     1000,
		Outputs:  []zmap.Output{{DefaultMode: true}},
	}
}

// A reader reads what servers say first. Everything about a stranger has a bound.
type reader struct {
	workers  int           // connections at a time
	patience time.Duration // with one connection, from the first SYN to the last byte
	most     int64         // bytes of a banner
	mu       sync.Mutex    // held while writing to out
	out      io.Writer
}

// scan is the loop. A host is handed to a goroutine, of which there are so many at a time: when all are at work the loop waits, and
// the scan with it, so neither hosts nor goroutines pile up. A scan that ends, however it does, waits for those who still read.
func (r *reader) scan(ctx context.Context, c zmap.Config) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	slots := make(chan struct{}, r.workers)
	for row, err := range zmap.Scan(ctx, c) {
		if err != nil {
			return err
		}
		// The row is valid until the next turn of the loop: take from it what the goroutine needs.
		addr, _ := row.Schema.Lookup("saddr")
		port, _ := row.Schema.Lookup("sport")
		at := netip.AddrPortFrom(row.Values[addr].Addr(), uint16(row.Values[port].Uint()))
		slots <- struct{}{}
		reading.Go(func() {
			defer func() { <-slots }()
			banner, err := r.read(ctx, at)
			r.mu.Lock()
			defer r.mu.Unlock()
			if err != nil {
				fmt.Fprintf(r.out, "%v\t%v\n", at, err)
				return
			}
			fmt.Fprintf(r.out, "%v\t%q\n", at, banner) // quoted: what strangers send is not for terminals
		})
	}
	return nil
}

// read connects and returns the first bytes that come, until there are enough, the server is done, or patience is out. Saying nothing
// is no error.
func (r *reader) read(ctx context.Context, at netip.AddrPort) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })() // also when the program is interrupted
	banner, err := io.ReadAll(io.LimitReader(conn, r.most))
	if errors.Is(err, os.ErrDeadlineExceeded) || len(banner) > 0 {
		err = nil
	}
	return banner, err
}
