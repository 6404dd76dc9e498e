package cli

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zmap-go/zmap"
)

// A scan that never began has metadata without what was never known, and valid JSON all the same.
func TestDescribeNothing(t *testing.T) {
	j := &job{o: defaults(), networks: []string{"10.0.0.0/8"}}
	err := errors.Join(errors.New("no route: add one"), errors.New("close: disk full"))
	var got map[string]any
	text := j.describe(&zmap.Report{}, err).AppendJSON(nil)
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	want := map[string]any{
		"stop_reason": "not started", "stop_error": "no route: add one; close: disk full", "probe_module": "tcp_synscan",
		"output_module": "csv", "probe_args": "windows", "packets_sent": 0.0, "hitrate": 0.0, "quiet": 0.0, "log_level": 3.0,
		"cli_cidr_destinations": []any{"10.0.0.0/8"}, "iface": "",
	}
	for key, value := range want {
		if d := cmp.Diff(value, got[key]); d != "" {
			t.Errorf("key %q (-want +got):\n%s", key, d)
		}
	}
	for _, key := range []string{"notes", "user-metadata", "log_file", "output_filename", "link_engine", "gateway_ip"} {
		if v, there := got[key]; there {
			t.Errorf("key %q is there: %v", key, v)
		}
	}
}

func TestFullHostname(t *testing.T) {
	for local, want := range map[string]string{"": "", "scanner": "", "scanner.example.org": "scanner.example.org"} {
		if got := fullHostname(local); got != want {
			t.Errorf("host %q has the full name %q, want %q", local, got, want)
		}
	}
}

func TestProbeArgsInMetadata(t *testing.T) {
	for _, c := range []struct{ module, args, want string }{
		{"tcp_synscan", "", "windows"},
		{"tcp_synscan", "linux", "linux"},
		{"icmp_echoscan", "", ""},
		{"icmp_echoscan", "text:x", "text:x"},
	} {
		o := defaults()
		o.module, o.moduleArgs = c.module, c.args
		if got := probeArgs(o); got != c.want {
			t.Errorf("probeArgs of %s %q = %q, want %q", c.module, c.args, got, c.want)
		}
	}
}

func TestUserMetadata(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "{}": true, `{"a":[1,null,"b"]}`: true, "5": true, `"x"`: true, "{": false, "{a:1}": false, "{} {}": false, "x": false,
	} {
		if err := checkUserMetadata(text); (err == nil) != ok {
			t.Errorf("checkUserMetadata(%q): %v, want ok %v", text, err, ok)
		}
	}
}
