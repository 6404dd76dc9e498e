package probe

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ntpAnswer is what a stratum 2 server sends: 48 bytes.
const ntpAnswer = `24          # no leap second, version 4, server
	02 00 e7        # stratum 2, poll 0, precision 2^-25 s
	00000e2b        # 0.0553 s to the primary source and back
	00000321        # dispersion 0.0122 s
	83bc03dd        # its source: 131.188.3.221
	e8e1c3b2 4a3d2b1c # clock last set
	00000000 00000000 # our time, which the request did not have
	e8e1c40d 8d3f1e00 # request received
	e8e1c40d 8d40a1b2 # answer sent`

func TestDecodeNTP(t *testing.T) {
	c, s := firstOf("ntp"), withPort(123)
	short := plus(portsOf(&s), map[string]string{"classification": "ntp", "success": "true"})
	whole := plus(short, map[string]string{
		"LI_VN_MODE": "36", "stratum": "2", "poll": "0", "precision": "231",
		"root_delay": "3627", "root_dispersion": "801", "reference_clock_identifier": "2210137053",
		"reference_timestamp": strconv.FormatUint(0xe8e1c3b24a3d2b1c, 10), "originate_timestamp": "0",
		"receive_timestamp": strconv.FormatUint(0xe8e1c40d8d3f1e00, 10), "transmit_timestamp": strconv.FormatUint(0xe8e1c40d8d40a1b2, 10),
	})
	answer := unhex(t, ntpAnswer)
	for name, w := range map[string]struct {
		frame []byte
		want  map[string]string
	}{
		"ordinary answer":          {reply(t, &s, answer), whole},
		"with an authenticator":    {reply(t, &s, append(append([]byte(nil), answer...), make([]byte, 20)...)), whole},
		"a byte short":             {reply(t, &s, answer[:47]), short},
		"empty":                    {reply(t, &s, nil), short},
		"mode 7, as monlist sends": {reply(t, &s, []byte{0xd7, 0, 3, 0x2a, 0, 0, 0, 0}), short},
		"ICMP error":               {c.about(t, &s, 8).frame(t), refused()},
	} {
		if diff := cmp.Diff(w.want, rowOf(t, c, w.frame)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNTPIgnoresArguments says that what C ZMap wanted as arguments does no harm.
func TestNTPIgnoresArguments(t *testing.T) {
	s := goldenShot()
	plain := datagramCase{name: "ntp"}.frame(t, testRoute(true, 1), &s)
	for _, name := range []string{"ntp", "upnp", "bacnet"} {
		c := datagramCase{name: name, args: "hex:00"}
		if n := len(c.probe(t).Describe().Warnings); n != 1 {
			t.Errorf("%s: %d warnings about ignored arguments, want 1", name, n)
		}
		if name == "ntp" && string(c.frame(t, testRoute(true, 1), &s)) != string(plain) {
			t.Errorf("%s: arguments change the probe", name)
		}
		if n := len(firstOf(name).probe(t).Describe().Warnings); n != 0 {
			t.Errorf("%s: %d warnings without arguments", name, n)
		}
	}
}
