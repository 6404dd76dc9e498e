package cert

// A Chain is what a server has shown: certificates, and what they are worth. It is read only.
type Chain struct {
	Certificates []*Certificate // the server's own first, the others in its order
	Name         string         // that it was asked for; "" if it was asked for none
	Validation   *Validation    // nil if nobody judged
}

// A Shower is the result of a conversation in which a server may have shown certificates.
type Shower interface {
	// Shown returns the chain, nil if there was none. Of several conversations the last counts.
	Shown() *Chain
}
