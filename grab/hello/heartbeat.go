package hello

// AppendHeartbeat appends to b, as one record of the given version, a heartbeat request that asks for nothing: type 1, length of
// the payload 0, no payload and no padding (RFC 6520 section 4).
//
//	18 03 vv 00 03      01       00 00
//	record of 3 bytes   request  length of payload
//
// The specification wants 16 bytes of padding, and that what has fewer be dropped in silence. OpenSSL before 1.0.1g
// (CVE-2014-0160) did not look, and answers. The answer has the payload that was asked for, which is none, and padding of its
// own making: the bug is proven, and nothing of the host's memory is read.
func AppendHeartbeat(b []byte, version uint16) []byte {
	return append(b, RecordHeartbeat, byte(version>>8), byte(version), 0, 3, 1, 0, 0)
}
