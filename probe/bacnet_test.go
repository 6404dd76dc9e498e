package probe

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The answers of controllers.
const (
	bacnetAck = `81 0a 0014  # BACnet/IP, original unicast, 20 bytes
		01 00           # version, nothing expected
		30 01 0c        # complex acknowledgement of invoke number 1, read property
		0c 023fffff     # device, any instance
		19 4b           # object identifier
		3e c4 0204d2 3f` // 1234, one byte short of its length
	bacnetError = `81 0a 000d 01 00 50 01 0c # error about read property
		91 01 91 1f` // class object, code unknown object
	bacnetNAK = `81 00 0006 0060` // result: distribution of broadcasts refused
)

func TestDecodeBACnet(t *testing.T) {
	c, s := firstOf("bacnet"), withPort(47808)
	for name, answer := range map[string]string{"acknowledgement": bacnetAck, "error": bacnetError, "result": bacnetNAK, "a single byte": "81"} {
		b := unhex(t, answer)
		want := plus(portsOf(&s), map[string]string{"classification": "bacnet", "success": "true", "udp_payload": hex.EncodeToString(b)})
		if diff := cmp.Diff(want, rowOf(t, c, reply(t, &s, b))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(refused(), rowOf(t, c, c.about(t, &s, 8).frame(t))); diff != "" {
		t.Errorf("ICMP error (-want +got):\n%s", diff)
	}
}
