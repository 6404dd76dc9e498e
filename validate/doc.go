// Package validate ties answers to probes without remembering any probe: a [Tag] computed with a secret [Key] from our
// address, the target's address and the target's port decides everything in a probe that a target must repeat in its
// answer, such as the source port and the TCP sequence number. Whoever receives an answer computes the tag again, from
// the answer itself, and compares. What does not carry the tag was not caused by us.
//
//	key, err := validate.NewKey()
//	tagger := validate.NewTagger(key, validate.DefaultPorts(), 1)
//	tag := tagger.Tag(src, dst, 443)
//	port, seq := tagger.Ports().Of(tag, 0), tag.Seq() // of the probe
//
// For the answer, source and destination change places:
//
//	tag = tagger.Tag(answer.Dst, answer.Src, answer.SrcPort)
//	ours := tagger.Ports().Match(tag, answer.DstPort, tagger.Tries()) && answer.Ack == tag.Seq()+1
//
// The package knows no packet format, and not which parts of a tag a probe module uses. Tags keep strangers from forging
// answers for targets whose probes they have not seen; they are not a signature.
package validate
