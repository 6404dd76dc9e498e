package link

import "golang.org/x/net/bpf"

// transport compiles what comes behind the IP header: ICMP, ICMPv6, TCP flags, then the ports of TCP and UDP.
func (c *compiler) transport() {
	if c.f.Echo || c.f.Errors {
		if c.want4 {
			c.message4()
		}
		if c.want6 {
			c.message6()
		}
	}
	if c.wantTCP {
		c.segment()
	}
	if c.f.UDP {
		c.place(c.udp)
	}
	if c.wantTCP || c.f.UDP {
		c.emit(bpf.LoadIndirect{Off: 2, Size: 2})
		c.localPort()
	}
}

func (c *compiler) message4() {
	c.place(c.icmp4)
	c.emit(bpf.LoadIndirect{Off: 0, Size: 1})
	if c.f.Echo {
		c.when(bpf.JumpEqual, echoReply4, c.accept)
	}
	if !c.f.Errors {
		c.jump(c.reject)
		return
	}
	quoted := c.label()
	for _, t := range errors4() {
		c.when(bpf.JumpEqual, t, quoted)
	}
	c.jump(c.reject)
	c.place(quoted)
	c.holds(8 + 16)
	c.sameWord(8+12, 16)
	c.jump(c.accept)
}

func (c *compiler) message6() {
	c.place(c.icmp6)
	c.emit(bpf.LoadIndirect{Off: 0, Size: 1})
	if c.f.Echo {
		c.when(bpf.JumpEqual, echoReply6, c.accept)
	}
	if !c.f.Errors {
		c.jump(c.reject)
		return
	}
	c.when(bpf.JumpLessThan, firstError6, c.reject)
	c.when(bpf.JumpGreaterThan, lastError6, c.reject)
	c.holds(8 + 24)
	for w := range uint32(4) {
		c.sameWord(8+8+4*w, 24+4*w)
	}
	c.jump(c.accept)
}

// holds accepts the frame if it ends less than n bytes behind X.
func (c *compiler) holds(n uint32) {
	c.emit(bpf.StoreScratch{Src: bpf.RegX, N: scratchL4}, bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: n},
		bpf.TAX{}, bpf.LoadExtension{Num: bpf.ExtLen})
	c.whenX(bpf.JumpLessThan, c.accept)
}

// sameWord rejects the frame if the word at l4 behind the transport header is not that at net behind the IP header.
func (c *compiler) sameWord(l4, net uint32) {
	c.emit(
		bpf.LoadScratch{Dst: bpf.RegX, N: scratchL4}, bpf.LoadIndirect{Off: l4, Size: 4},
		bpf.StoreScratch{Src: bpf.RegA, N: scratchWord},
		bpf.LoadScratch{Dst: bpf.RegX, N: scratchNet}, bpf.LoadIndirect{Off: net, Size: 4}, bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: scratchWord},
	)
	c.whenX(bpf.JumpNotEqual, c.reject)
}

// segment looks at the flags; the destination port, which comes next, is at the same place for TCP and UDP.
func (c *compiler) segment() {
	c.place(c.tcp)
	c.emit(bpf.LoadIndirect{Off: 13, Size: 1})
	if c.f.TCP == TCPAnswers {
		answer := c.label()
		c.when(bpf.JumpBitsSet, flagRST, answer)
		c.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: flagSYN | flagACK})
		c.when(bpf.JumpNotEqual, flagSYN|flagACK, c.reject)
		c.place(answer)
	}
}

// localPort decides on the destination port in A.
func (c *compiler) localPort() {
	if len(c.f.Ports) == 0 {
		c.jump(c.accept)
		return
	}
	spans := make([]span, len(c.f.Ports))
	for i, p := range c.f.Ports {
		spans[i] = span{uint32(p.First), uint32(p.Last)}
	}
	c.member(merge(spans), c.accept, c.reject)
}
