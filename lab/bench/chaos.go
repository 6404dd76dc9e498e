package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zmap-go/zmap/lab"
)

const (
	chaosNet   = "10.0.0.0/16"
	chaosRate  = 20_000
	chaosCool  = 3 * time.Second
	chaosKills = 100
)

// chaosWorld has hosts that accept, that refuse, that answer late and that answer twice, behind a cable that takes frames by XDP.
func chaosWorld() lab.World {
	p := netip.MustParsePrefix
	return lab.World{Ports: []uint16{80}, Crowd: &lab.Crowd{Prefix: p("10.255.0.0/16")}, Hosts: []lab.Hosts{
		{Prefix: p("10.0.16.0/20"), Kind: lab.Kernel},
		{Prefix: p("10.0.64.0/20"), Kind: lab.Refuse},
		{Prefix: p("10.0.128.0/22"), Kind: lab.Late, Delay: 1200 * time.Millisecond},
		{Prefix: p("10.0.200.0/24"), Kind: lab.Twice},
	}}
}

// A havoc is what killed scans come to, over all of them.
type havoc struct {
	scans, kills  int
	unasked       int           // targets that were never asked
	again         int           // probes to targets that were asked before
	mayAgain      int           // as many as the walks going back explain
	lost, doubled int           // rows, in all files
	wrong         int           // rows of nobody
	back          time.Duration // that walks went back, in all
}

// chaos kills scans at random moments, several times each, carries them on, and compares what was asked and what is in the files with
// what must be there.
func chaos(ctx context.Context, s *session) error {
	kills, h, rng := chaosKills, havoc{}, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	if s.count > 0 {
		kills = s.count
	}
	for h.kills < kills {
		if err := h.scan(ctx, s, rng); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "chaos, %d of %d kills, %d scans: %d targets not asked; %d asked again, %d may be; rows: %d lost, %d doubled, %d wrong\n",
			h.kills, kills, h.scans, h.unasked, h.again, h.mayAgain, h.lost, h.doubled, h.wrong)
	}
	t := table{
		title: fmt.Sprintf("scans of %s at %d probes a second, killed (SIGKILL) at random moments and carried on, by sockets and by XDP in turn; csv, json.gz and SQLite", chaosNet, chaosRate),
		head:  []string{"scans", "kills", "targets never asked", "asked again", "of the walks going back", "mean way back", "rows lost", "doubled", "wrong"},
	}
	t.add(fmt.Sprint(h.scans), fmt.Sprint(h.kills), fmt.Sprint(h.unasked), fmt.Sprint(h.again), fmt.Sprint(h.mayAgain),
		(h.back / time.Duration(max(1, h.kills))).Round(time.Millisecond).String(), fmt.Sprint(h.lost), fmt.Sprint(h.doubled), fmt.Sprint(h.wrong))
	s.tables = append(s.tables, t)
	s.bars = append(s.bars,
		bar{what: fmt.Sprintf("killed %d times: targets never asked", h.kills), got: float64(h.unasked)},
		bar{what: fmt.Sprintf("killed %d times: rows lost, doubled or wrong, of all files", h.kills), got: float64(h.lost + h.doubled + h.wrong)},
		bar{what: "targets asked again, to those asked between a kill and the moment that the walk goes back to", got: float64(h.again) / float64(max(1, h.mayAgain)), want: 1, unit: "x"},
	)
	return upheavals(ctx, s, rng)
}

// scan makes one scan, in a world of its own, out of several processes of which all but the last are killed.
func (h *havoc) scan(ctx context.Context, s *session, rng *rand.Rand) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	net, err := lab.New(ctx, chaosWorld())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	dir, err := os.MkdirTemp("", "zmap-chaos")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	capture, err := net.Capture(ctx, lab.CaptureSpec{Select: lab.Probes, Keep: 1 << 20})
	if err != nil {
		return err
	}
	h.scans++
	args := []string{
		"-C", "/dev/null", "-b", "/dev/null", "-q", "-v", "1", "-p", "80", "-r", strconv.Itoa(chaosRate), "-c", strconv.Itoa(int(chaosCool.Seconds())),
		"--checkpoint", "scan.checkpoint", "-O", "csv=hits.csv,fields=saddr,filter=success = 1 && repeat = 0", "-O", "json=all.json.gz,fields=saddr,repeat",
		"-O", "sqlite=scan.db", "--link", []string{"socket", "xdp"}[h.scans%2], chaosNet,
	}
	for range 1 + rng.IntN(3) {
		killed, err := h.kill(ctx, s, dir, args, time.Duration(rng.Int64N(int64(6*time.Second))))
		if err != nil {
			return err
		}
		if !killed {
			return h.compare(ctx, s, dir, net, capture)
		}
		if _, err := os.Stat(filepath.Join(dir, "scan.checkpoint")); err == nil {
			args = []string{"--resume", "scan.checkpoint"}
		} // else it was killed before it had sent anything
	}
	if err := s.inFolder(ctx, dir, args...); err != nil {
		return err
	}
	return h.compare(ctx, s, dir, net, capture)
}

// inFolder runs this zmap there.
func (s *session) inFolder(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, s.zmap, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %.500s", cmd.Args, err, out)
	}
	return nil
}

// kill starts the program, and kills it after some time if it has not ended.
func (h *havoc) kill(ctx context.Context, s *session, dir string, args []string, after time.Duration) (killed bool, err error) {
	short, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	err = s.inFolder(short, dir, args...)
	if short.Err() == nil {
		return false, err
	}
	now := time.Now()
	h.kills++
	back, err := goesBackTo(filepath.Join(dir, "scan.checkpoint"))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err == nil {
		h.back += now.Sub(back)
		h.mayAgain += int(now.Sub(back).Seconds() * chaosRate)
	}
	return true, err
}

// goesBackTo reads in a checkpoint to which moment a walk goes back that is carried on.
func goesBackTo(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, err
	}
	_, body, _ := bytes.Cut(text, []byte("\n"))
	var state struct {
		Moments []struct {
			At time.Time `json:"at"`
		} `json:"moments"`
		Window time.Duration `json:"answer_window_ns"`
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return time.Time{}, fmt.Errorf("read %s: %w", path, err)
	}
	last := len(state.Moments) - 1
	from := state.Moments[last].At.Add(-max(2*time.Second, state.Window))
	for ; last > 0 && state.Moments[last].At.After(from); last-- {
	}
	return state.Moments[last].At, nil
}

// compare looks at the probes that were sent, and at the files.
func (h *havoc) compare(ctx context.Context, s *session, dir string, net *lab.Net, capture *lab.Capture) error {
	seen, err := capture.Stop(ctx)
	if err != nil {
		return err
	}
	unasked, again, err := askedIn(seen)
	if err != nil {
		return err
	}
	h.unasked += unasked
	h.again += again
	hits, all := make(map[netip.Addr]int), make(map[netip.Addr]int)
	for a := range net.Truth().Addrs(lab.SYN(80), lab.SYNACK) {
		hits[a], all[a] = 1, 1
	}
	for a := range net.Truth().Addrs(lab.SYN(80), lab.RST) {
		all[a] = 1
	}
	if err := s.inFolder(ctx, dir, "convert", "scan.db", "csv=database.csv,fields=saddr"); err != nil {
		return err
	}
	if err := unpack(filepath.Join(dir, "all.json.gz"), filepath.Join(dir, "all.csv")); err != nil {
		return err
	}
	for name, want := range map[string]map[netip.Addr]int{"hits.csv": hits, "all.csv": all, "database.csv": all} {
		if err := h.count(filepath.Join(dir, name), want); err != nil {
			return err
		}
	}
	return nil
}

// askedIn counts the targets that no probe was for, and the probes beyond the first of the others.
func askedIn(seen lab.Captured) (unasked, again int, err error) {
	if seen.Lost > 0 || len(seen.Kept) != int(seen.Frames) {
		return 0, 0, fmt.Errorf("of %d probes %d were not recorded", seen.Frames, int(seen.Frames)-len(seen.Kept)+int(seen.Lost))
	}
	scanned := netip.MustParsePrefix(chaosNet)
	asked := make(map[netip.Addr]int)
	for _, f := range seen.Kept {
		if len(f.Data) < 38 {
			continue
		}
		if a := netip.AddrFrom4([4]byte(f.Data[30:34])); scanned.Contains(a) && binary.BigEndian.Uint16(f.Data[36:38]) == 80 {
			asked[a]++
		}
	}
	for a := scanned.Addr(); scanned.Contains(a); a = a.Next() {
		if asked[a] == 0 {
			unasked++
		}
		again += max(0, asked[a]-1)
	}
	return unasked, again, nil
}

// count compares the addresses in a file with those that must be there, each once.
func (h *havoc) count(path string, want map[netip.Addr]int) error {
	got := make(map[netip.Addr]int)
	if err := eachAddr(path, func(a netip.Addr) { got[a]++ }); err != nil {
		return err
	}
	for a, n := range got {
		if want[a] == 0 {
			h.wrong++
		}
		h.doubled += n - 1
	}
	for a := range want {
		if got[a] == 0 {
			h.lost++
		}
	}
	return nil
}

// unpack writes the addresses of the rows of a compressed JSON file that are no repeats, a line each.
func unpack(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for dec := json.NewDecoder(z); dec.More(); {
		var row struct {
			Saddr  string `json:"saddr"`
			Repeat bool   `json:"repeat"`
		}
		if err := dec.Decode(&row); err != nil {
			return fmt.Errorf("read %s: %w", from, err)
		}
		if !row.Repeat {
			fmt.Fprintln(&out, row.Saddr)
		}
	}
	return os.WriteFile(to, out.Bytes(), 0o600)
}
