package upstream

// Tools is a stub until branch guard is merged.
func (m *Model) Tools() bool { return true }

// KindNoTools is a stub until branch guard is merged.
const KindNoTools Kind = "no_tools"
