package coffer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Seconds is a length of time. In JSON it is a number, or a text like "90", "10m" or "1h30m".
type Seconds uint64

// UnmarshalJSON reads a duration as Vault's clients write it.
func (s *Seconds) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if number, err := strconv.ParseUint(text, 10, 63); err == nil {
		*s = Seconds(number)
		return nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if number, err := strconv.ParseUint(days, 10, 32); err == nil {
			*s = Seconds(number * 24 * 60 * 60)
			return nil
		}
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration < 0 {
		return fmt.Errorf("%q is no duration", text)
	}
	*s = Seconds(duration / time.Second)
	return nil
}

// TextList is texts. In JSON it is a list, or one text with commas.
type TextList []string

// UnmarshalJSON reads a list as Vault's clients write it.
func (l *TextList) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return fmt.Errorf("%s is no list of texts", data)
		}
		list = strings.Split(text, ",")
	}
	*l = nil
	for _, item := range list {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}
