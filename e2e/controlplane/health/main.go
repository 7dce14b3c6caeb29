// Command health says what GitOps tools make of the health of an object. It reads
// {"object": ..., "lua": ...} from standard input and prints
// {"kstatus": ..., "argo": ..., "message": ...}: the status that Flux' kstatus computes, and what
// the script returns with the libraries that Argo CD gives to scripts of its ConfigMap.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type question struct {
	Object map[string]any `json:"object"`
	Lua    string         `json:"lua"`
}

type answer struct {
	Kstatus string `json:"kstatus"`
	Argo    string `json:"argo"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	computed, err := status.Compute(&unstructured.Unstructured{Object: whole(asked.Object)})
	if err != nil {
		return fmt.Errorf("kstatus: %w", err)
	}
	found := answer{Kstatus: computed.Status.String()}
	if found.Argo, found.Message, err = health(asked.Lua, asked.Object); err != nil {
		return fmt.Errorf("lua: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// whole has JSON's whole numbers as integers, as an object from the API server has.
func whole(value map[string]any) map[string]any {
	return integers(value).(map[string]any)
}

func integers(value any) any {
	switch it := value.(type) {
	case map[string]any:
		found := make(map[string]any, len(it))
		for key, item := range it {
			found[key] = integers(item)
		}
		return found
	case []any:
		found := make([]any, 0, len(it))
		for _, item := range it {
			found = append(found, integers(item))
		}
		return found
	case float64:
		if it == float64(int64(it)) {
			return int64(it)
		}
	}
	return value
}

// health runs a script as Argo CD does unless `useOpenLibs` is set: for a second at most, with no
// libraries but base, package and table.
func health(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	libraries := map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	}
	for _, name := range []string{lua.LoadLibName, lua.BaseLibName, lua.TabLibName} {
		call := lua.P{Fn: state.NewFunction(libraries[name]), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("obj", table(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	returned, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("returned %s, not a table", state.Get(-1).Type())
	}
	text := func(key string) string {
		if value, ok := returned.RawGetString(key).(lua.LString); ok {
			return string(value)
		}
		return ""
	}
	return text("status"), text("message"), nil
}

func table(state *lua.LState, value any) lua.LValue {
	switch it := value.(type) {
	case map[string]any:
		found := state.NewTable()
		for key, item := range it {
			found.RawSetString(key, table(state, item))
		}
		return found
	case []any:
		found := state.NewTable()
		for _, item := range it {
			found.Append(table(state, item))
		}
		return found
	case string:
		return lua.LString(it)
	case float64:
		return lua.LNumber(it)
	case bool:
		return lua.LBool(it)
	}
	return lua.LNil
}
