package ring

// Engine is the link engine "ring". Its zero value is ready, and it holds nothing open.
type Engine struct{}

// Name is "ring".
func (Engine) Name() string { return "ring" }
