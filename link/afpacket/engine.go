package afpacket

// Engine is the link engine "socket". Its zero value is ready, and it holds nothing open.
type Engine struct{}

// Name is "socket".
func (Engine) Name() string { return "socket" }
