;; Adds the response header "x-plugferry: hello". Proxy-Wasm ABI 0.2.1.
(module
  (import "env" "proxy_add_header_map_value"
    (func $add_header
      (param $map i32) (param $key i32) (param $key_size i32) (param $value i32) (param $value_size i32)
      (result i32)))

  ;; 16 pages (1 MiB) at most, whatever the host asks the allocator for.
  (memory (export "memory") 1 16)
  (data (i32.const 16) "x-plugferry")
  (data (i32.const 32) "hello")

  (global $HTTP_RESPONSE_HEADERS i32 (i32.const 2))
  (global $CONTINUE i32 (i32.const 0))
  (global $TRUE i32 (i32.const 1))
  (global $HEAP i32 (i32.const 1024))
  (global $heap_end (mut i32) (i32.const 1024))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))

  ;; A bump allocator. What the host hands over is used in one callback only, so the next callback starts anew.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $start i32) (local $end i32) (local $missing i32)
    ;; More than there can be: refused first, so that the sum below cannot wrap.
    (if (i32.gt_u (local.get $size) (i32.const 0x100000)) (then (return (i32.const 0))))
    (local.set $start (global.get $heap_end))
    (local.set $end
      (i32.and (i32.add (i32.add (local.get $start) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.set $missing
      (i32.sub (local.get $end) (i32.shl (memory.size) (i32.const 16))))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq
              (memory.grow (i32.shr_u (i32.add (local.get $missing) (i32.const 0xffff)) (i32.const 16)))
              (i32.const -1))
          (then (return (i32.const 0))))))
    (global.set $heap_end (local.get $end))
    (local.get $start))

  (func $free_all
    (global.set $heap_end (global.get $HEAP)))

  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32)
    (call $free_all))

  (func (export "proxy_on_vm_start") (param $context i32) (param $configuration_size i32) (result i32)
    (global.get $TRUE))

  (func (export "proxy_on_configure") (param $context i32) (param $configuration_size i32) (result i32)
    (global.get $TRUE))

  (func (export "proxy_on_response_headers")
    (param $context i32) (param $headers i32) (param $end_of_stream i32) (result i32)
    (call $free_all)
    ;; A header that cannot be added is no reason to hold back the response.
    (drop
      (call $add_header
        (global.get $HTTP_RESPONSE_HEADERS)
        (i32.const 16) (i32.const 11)
        (i32.const 32) (i32.const 5)))
    (global.get $CONTINUE)))
