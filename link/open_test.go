package link_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// A broken engine never opens.
type broken struct {
	name string
	err  error
}

func (b broken) Name() string { return b.name }

func (b broken) Open(context.Context, link.Config) (*link.Link, error) { return nil, b.err }

func (b broken) Check(context.Context, link.Config) (uint64, error) { return 0, b.err }

func TestOpen(t *testing.T) {
	memory := linktest.New(nil, linktest.Options{})
	old := broken{"xdp", &link.UnsupportedError{Feature: "sending from XDP programs", MinKernel: "5.18"}}
	refused := broken{"other", errors.New("no\npower")}
	down := broken{"down", fmt.Errorf("eth0 is switched off: %w", link.ErrDown)}
	for _, c := range []struct {
		name    string
		force   string
		engines []link.Engine
		chosen  string
		why     string // of the link or in the error
		is      error
	}{
		{"first", "", []link.Engine{memory, old}, "memory", "memory: the first choice", nil},
		{"auto", "auto", []link.Engine{memory}, "memory", "memory: the first choice", nil},
		{"second", "", []link.Engine{old, memory}, "memory", "memory, because not xdp: this kernel lacks sending from XDP programs, which Linux 5.18 brought", nil},
		{"third", "", []link.Engine{old, refused, memory}, "memory", "; other: no power", nil},
		{"forced", "memory", []link.Engine{old, memory}, "memory", "memory: as asked", nil},
		{"forced one that fails", "xdp", []link.Engine{old, memory}, "", "open link on eth0: xdp: this kernel lacks", errors.ErrUnsupported},
		{"forced one that is not", "dpdk", []link.Engine{old, memory}, "", `no link engine is called "dpdk": want auto, xdp or memory`, nil},
		{"all fail", "", []link.Engine{old, refused}, "", "other: no\npower", errors.ErrUnsupported},
		{"none", "", nil, "", "open link on eth0: this system has no link engine", errors.ErrUnsupported},
		{"down", "", []link.Engine{refused, down, memory}, "", "open link on eth0: down: eth0 is switched off", link.ErrDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := link.Config{Interface: "eth0", Ether: true}
			l, err := link.Open(t.Context(), cfg, c.force, c.engines...)
			choice, checked := link.Choose(t.Context(), cfg, c.force, c.engines...)
			if fmt.Sprint(checked) != fmt.Sprint(err) {
				t.Errorf("Choose says %v, Open %v", checked, err)
			}
			if c.chosen != "" {
				if err != nil {
					t.Fatal(err)
				}
				if l.Name != c.chosen || !strings.Contains(l.Why, c.why) || strings.Contains(l.Why, "\n") {
					t.Errorf("got %q because %q, want %q because %q", l.Name, l.Why, c.chosen, c.why)
				}
				if choice.Name != l.Name || choice.Why != l.Why || choice.Memory != link.DefaultRingBytes {
					t.Errorf("Choose says %+v, Open opened %q because %q", choice, l.Name, l.Why)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if l != nil || err == nil || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("got link %v, error %v, want no link and an error with %q", l, err, c.why)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is not %v", err, c.is)
			}
		})
	}
}

func TestOpenAsksNoEngineWhenTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := link.Open(ctx, link.Config{}, "", broken{"x", errors.New("was asked")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if _, err := link.Choose(ctx, link.Config{}, "", broken{"x", errors.New("was asked")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Choose: got error %v, want %v", err, context.Canceled)
	}
}

func TestConfigDefaults(t *testing.T) {
	got, err := link.Config{Interface: "eth0"}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if got.Senders != 1 || got.Receivers != 1 || got.Batch != 0 || got.RingBytes != link.DefaultRingBytes || got.Retries != 0 {
		t.Errorf("got %+v", got)
	}
	again, err := got.WithDefaults()
	if err != nil || fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("a second time: got %+v, error %v, want %+v", again, err, got)
	}
	for name, c := range map[string]link.Config{
		"senders": {Senders: -1}, "receivers": {Receivers: 1000}, "batch": {Batch: 1 << 20}, "retries": {Retries: -1},
		"ring bytes": {RingBytes: -5}, "snap": {Filter: link.Filter{Snap: -1}},
	} {
		if _, err := c.WithDefaults(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v, want one that names it", name, err)
		}
	}
}

// closingTX and closingRX write down when they are closed.
type closingTX struct {
	link.TX
	name string
	log  *[]string
}

func (t closingTX) Close() error {
	*t.log = append(*t.log, t.name)
	return errors.New(t.name)
}

type closingRX struct {
	link.RX
	name string
	log  *[]string
}

func (r closingRX) Close() error {
	*r.log = append(*r.log, r.name)
	return errors.New(r.name)
}

func TestCloseClosesAllAndTellsAll(t *testing.T) {
	var log []string
	tx := func(name string) link.TX { return closingTX{name: name, log: &log} }
	l := link.Link{TX: []link.TX{tx("tx0"), tx("tx1")}, RX: []link.RX{closingRX{name: "rx0", log: &log}}, Control: tx("control")}
	err := l.Close()
	const want = "tx0 tx1 control rx0"
	if got := strings.Join(log, " "); got != want {
		t.Errorf("closed in order %q, want %q", got, want)
	}
	if got := strings.ReplaceAll(fmt.Sprint(err), "\n", " "); got != want {
		t.Errorf("got error %q, want %q", got, want)
	}
	if err := (&link.Link{}).Close(); err != nil {
		t.Errorf("close of an empty link: %v", err)
	}
}
