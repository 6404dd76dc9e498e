package rawip

// Engine is the link engine "raw". Its zero value is ready, and it holds nothing open.
type Engine struct{}

// Name is "raw".
func (Engine) Name() string { return "raw" }
