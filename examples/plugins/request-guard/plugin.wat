;; Answers 403 when a request carries the header "x-block". Proxy-Wasm ABI 0.2.1.
(module
  (import "env" "proxy_get_header_map_value"
    (func $get_header
      (param $map i32) (param $key i32) (param $key_size i32) (param $return_value i32) (param $return_size i32)
      (result i32)))
  (import "env" "proxy_send_local_response"
    (func $respond
      (param $status i32) (param $details i32) (param $details_size i32) (param $body i32) (param $body_size i32)
      (param $headers i32) (param $headers_size i32) (param $grpc_status i32)
      (result i32)))

  ;; 16 pages (1 MiB) at most, however long the header is that the host hands over.
  (memory (export "memory") 1 16)
  ;; Bytes 0 to 7: where the host writes address and size of the header value.
  (data (i32.const 16) "x-block")
  (data (i32.const 32) "plugferry_request_guard")
  (data (i32.const 64) "blocked\n")
  ;; Serialized headers: one pair, sizes of key and value, then both with a zero byte behind each.
  (data (i32.const 96) "\01\00\00\00" "\0c\00\00\00" "\0a\00\00\00" "content-type\00" "text/plain\00")

  (global $HTTP_REQUEST_HEADERS i32 (i32.const 0))
  (global $NOT_FOUND i32 (i32.const 1))
  (global $CONTINUE i32 (i32.const 0))
  (global $PAUSE i32 (i32.const 1))
  (global $TRUE i32 (i32.const 1))
  (global $NO_GRPC_STATUS i32 (i32.const -1))
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

  (func (export "proxy_on_request_headers")
    (param $context i32) (param $headers i32) (param $end_of_stream i32) (result i32)
    (call $free_all)
    ;; Only a header that is surely absent lets the request through: a guard that cannot look must not wave on.
    (if (i32.eq
          (call $get_header
            (global.get $HTTP_REQUEST_HEADERS)
            (i32.const 16) (i32.const 7)
            (i32.const 0) (i32.const 4))
          (global.get $NOT_FOUND))
      (then (return (global.get $CONTINUE))))
    (drop
      (call $respond
        (i32.const 403)
        (i32.const 32) (i32.const 23)
        (i32.const 64) (i32.const 8)
        (i32.const 96) (i32.const 36)
        (global.get $NO_GRPC_STATUS)))
    (global.get $PAUSE)))
