package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/sealed"
	"github.com/zmap-go/zmap/validate"
)

// format is that of states: what is kept of 255 senders is 4 MB.
func format() sealed.Kind {
	return sealed.Kind{Magic: "zmap-checkpoint", Name: "checkpoint", Version: 1, MaxBytes: 64 << 20}
}

// A State is how far a scan was.
type State struct {
	Version  string          `json:"zmap_version"`
	Scan     string          `json:"scan"` // its ID
	Started  time.Time       `json:"started"`
	Resumed  int             `json:"resumed"`           // how often it was carried on
	Program  json.RawMessage `json:"program,omitempty"` // what the program around wants to know again
	Same     []Trait         `json:"same"`              // what must be the same to carry it on
	Key      string          `json:"key"`               // of the probes, 32 hexadecimal digits
	Seed     uint64          `json:"seed,string"`
	Senders  int             `json:"senders"`
	Ranges   []int           `json:"port_ranges,omitempty"` // of source ports, by number, that scans with grabs had; the last one is the last process's
	Moments  []engine.Moment `json:"moments"`               // the last one is when this was written
	Since    bool            `json:"since_start"`           // the first one is when the process began to scan
	Window   time.Duration   `json:"answer_window_ns"`
	Outputs  []Output        `json:"outputs"`
	Journal  Extent          `json:"journal"`
	Rows     uint64          `json:"rows"`           // of all processes
	SendTime time.Duration   `json:"send_ns"`        // of all processes
	Over     string          `json:"over,omitempty"` // why it ended; nothing is left to be carried on
}

// A Trait is one thing that a scan is known by.
type Trait struct {
	Name  string `json:"name"` // in words: "target ports"
	Value string `json:"value"`
}

// An Output is one place that rows go to.
type Output struct {
	Name  string `json:"name"`
	Place string `json:"place"` // of the next row; see [sink.Resumer]
}

// Write puts the state into the file at path, which has either the one before or this one, whole and on the disk, whatever happens. It
// makes PATH.new on the way.
func (s *State) Write(path string) error {
	text, err := format().Encode(s)
	if err != nil {
		return err
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes sure that the names in a folder are on the disk.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open reads the state in a file.
func Open(path string) (*State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Read reads a state. Of what is none it says why.
func Read(r io.Reader) (*State, error) {
	s := &State{}
	if err := format().Decode(r, s); err != nil {
		return nil, err
	}
	return s, s.check()
}

// check says what is wrong with a state that somebody has made by hand.
func (s *State) check() error {
	if _, err := s.ProbeKey(); err != nil {
		return err
	}
	if s.Senders < 1 || len(s.Moments) == 0 || s.Window < 0 || len(s.Outputs) == 0 {
		return fmt.Errorf("is no checkpoint: it has %d senders, %d moments and %d outputs", s.Senders, len(s.Moments), len(s.Outputs))
	}
	if !slices.IsSortedFunc(s.Moments, func(a, b engine.Moment) int { return a.At.Compare(b.At) }) {
		return errors.New("is no checkpoint: its moments are not in order")
	}
	for _, m := range s.Moments {
		if len(m.Walks) != s.Senders {
			return fmt.Errorf("is no checkpoint: a moment has %d walks of %d senders", len(m.Walks), s.Senders)
		}
	}
	return s.Journal.check()
}

// ProbeKey returns the key of the probes.
func (s *State) ProbeKey() (k validate.Key, err error) {
	if k, err = validate.ParseKey(s.Key); err != nil {
		err = fmt.Errorf("is no checkpoint: its %w", err)
	}
	return k, err
}

// At is when the state was written.
func (s *State) At() time.Time { return s.Moments[len(s.Moments)-1].At }

// leastRewind is how far a walk goes back at least, for answers are under way that long.
const leastRewind = 2 * time.Second

// Back returns the moment to go on from: so long before the state was written, or, for a negative time, as long as answers took in that
// scan, and not less than 2 seconds.
func (s *State) Back(rewind time.Duration) (engine.Moment, error) {
	if rewind < 0 {
		rewind = max(leastRewind, s.Window)
	}
	from := s.At().Add(-rewind)
	for i := len(s.Moments) - 1; i >= 0; i-- {
		if m := s.Moments[i]; !m.At.After(from) {
			return m, nil
		}
	}
	first := s.Moments[0]
	if !s.Since {
		return first, fmt.Errorf("the checkpoint goes back to %s before its end, not %s", s.At().Sub(first.At).Truncate(time.Second), rewind)
	}
	return first, nil // what an earlier process asked and may have missed the answer to, this one has asked again, from there on
}

// Differs says in what a scan with other traits is another one; "" if it is the same.
func (s *State) Differs(now []Trait) string {
	var diffs []string
	for _, t := range now {
		i := slices.IndexFunc(s.Same, func(was Trait) bool { return was.Name == t.Name })
		was := "nothing"
		if i >= 0 {
			was = s.Same[i].Value
		}
		if i < 0 || was != t.Value {
			diffs = append(diffs, fmt.Sprintf("%s: %s in the checkpoint, %s now", t.Name, shown(was), shown(t.Value)))
		}
	}
	return strings.Join(diffs, "; ")
}

// shown is a value in an error.
func shown(v string) string {
	if v == "" {
		return "none"
	}
	return fmt.Sprintf("%.200s", v)
}
