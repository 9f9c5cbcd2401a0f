package selection

import (
	"encoding/json"
	"fmt"
)

// AppendText appends what is selected of the root field's values as text: response keys, fields, arguments and types. Two
// plans have the same text if their responses have the same form, however their documents are written.
func (p *Plan[S]) AppendText(b []byte, variables map[string]any) ([]byte, error) {
	return p.root.appendText(b, variables)
}

func (f *Selected[S]) appendText(b []byte, variables map[string]any) ([]byte, error) {
	for _, set := range f.sets {
		b = append(append(b, '{'), set.of.name...)
		for i := range set.Fields {
			below := &set.Fields[i]
			b = append(append(append(append(b, ' '), below.Alias...), ':'), below.Name...)
			if len(below.Arguments) > 0 {
				arguments, err := json.Marshal(below.ArgumentMap(variables))
				if err != nil {
					return b, fmt.Errorf("writing the arguments of %s: %w", below.Path, err)
				}
				b = append(b, arguments...)
			}
			var err error
			if b, err = below.appendText(b, variables); err != nil {
				return b, err
			}
		}
		b = append(b, '}')
	}
	return b, nil
}
