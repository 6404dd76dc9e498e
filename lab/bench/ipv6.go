package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// windows is what is scanned over IPv6: as many targets as in the network of IPv4.
const windows = "2001:db8::/40-64"

// ipv6Bars compare the rate over IPv6 with that over IPv4, of the same program on the same link; nobody answers.
func ipv6Bars(ctx context.Context, s *session) error {
	a, err := openCrowd(ctx, &lab.Crowd{Prefix: scanned(), IPv6: true})
	if err != nil {
		return err
	}
	defer a.close()
	limit := []string{"-t", strconv.Itoa(int(s.sending(s.long) / time.Second))}
	for _, link := range []string{"xdp", "socket"} {
		rates := map[string][]figure{}
		for round := range s.rounds() {
			for _, what := range []string{network, windows} {
				p := s.ours(link, firstCores(1), a.dir, append([]string{"-r", "0", "--link", link, "-p80", what}, limit...)...)
				p.out = "" // whose rows are of no crowd
				f, err := a.measure(ctx, p)
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "run %d of %d: %s, %-18s %6.3f Mpps\n", round+1, s.rounds(), p.name, what, f.rate/1e6)
				rates[what] = append(rates[what], f)
			}
		}
		six, four := median(rates[windows], rateOf), median(rates[network], rateOf)
		s.bars = append(s.bars, bar{what: fmt.Sprintf("one core, %s: rate over IPv6 (%.3f Mpps) to that over IPv4 (%.3f)", ourName(link), six/1e6, four/1e6), got: six / four, want: 0.8, unit: " x", atLeast: true})
	}
	return nil
}
